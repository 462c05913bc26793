"""What is known of programs: what each does, which of its flags take a word, and what its other words are. Refuses nothing and decides nothing."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

# The strongest first: of several operations in one command, the first of these is what it is about.
VERBS: tuple[str, ...] = ("test", "build", "lint", "format", "install", "run")
VERBS += ("fetch", "edit", "vcs", "files", "search", "read")


class Takes(Enum):
    """What the words of a program are that are no flags."""

    PATHS = auto()  # files where they look so, else folders
    FILES = auto()
    FOLDERS = auto()
    LABELS = auto()  # of tests: `app.module.Case`, or paths
    LAST = auto()  # paths, and the last one is what is made
    NAMES = auto()  # of packages
    NOTHING = auto()  # that says where


class Program(NamedTuple):
    verb: str
    values: str = ""  # flags that take the next word
    takes: Takes = Takes.PATHS
    skips: int = 0  # leading words that are no paths: a pattern, a script
    instead: str = ""  # flags that give what is skipped
    tool: str = ""  # its usual name


P, F, D, L, M = Takes.PATHS, Takes.FILES, Takes.FOLDERS, Takes.LABELS, Takes.LAST
N, O = Takes.NAMES, Takes.NOTHING  # noqa: E741
PYTEST = "-n -k -m -p -c -o -r -W --maxfail --tb --rootdir --ignore --deselect --cov --timeout --durations --junitxml --numprocesses --dist --log-level --confcutdir --override-ini --basetemp --reruns --cov-report --cov-config"
GREP = "-A -B -C -m -e -f -d -D --include --exclude --exclude-dir --max-count --context -t -T -g --glob --type"
JS = "-c --config --project -p --reporter -t --testNamePattern --testPathPattern --max-workers --maxWorkers -r --root --outDir --target --module -o --ext --parser --plugin --log-level --ignore-path --rule --max-warnings"
PROGRAMS: dict[str, Program] = {
    # tests
    "pytest": Program("test", PYTEST, P),
    "py.test": Program("test", PYTEST, P, tool="pytest"),
    "unittest": Program("test", "-k -s -p -t", L),
    "nose2": Program("test", "-s -t -c", L),
    "nosetests": Program("test", "-w -c -m", L),
    "doctest": Program("test", "-o", P),
    "tox": Program("test", "-e -c -p -r --workdir", O),
    "nox": Program("test", "-s -f -k -t -p", O),
    "behave": Program("test", "-t -n -i -e -f -o", P),
    "trial": Program("test", "-j --reporter", L),
    "vitest": Program("test", JS, P),
    "jest": Program("test", JS, P),
    "mocha": Program("test", JS + " -g -f -R --timeout --grep", P),
    "ava": Program("test", JS, P),
    "cypress": Program("test", JS + " --spec -s -b", O),
    "playwright": Program("test", JS + " -g --workers -j", P, 1),
    "karma": Program("test", JS, O),
    "rspec": Program("test", "-e -t -f -o -r", P),
    "phpunit": Program("test", "-c --filter --group --testsuite", P),
    "ctest": Program("test", "-R -E -j -L -C --test-dir", O),
    "bats": Program("test", "-f -j", P),
    "gotestsum": Program("test", "--format -f", P),
    # builds, and checks of types, which the seed counts among them
    "tsc": Program("build", JS, P),
    "vue-tsc": Program("build", JS, P),
    "mypy": Program("build", "-p -m -c --config-file --python-version --exclude --cache-dir", P),
    "pyright": Program("build", "-p --project --pythonversion --level", P),
    "basedpyright": Program("build", "-p --project --level", P, tool="pyright"),
    "pyre": Program("build", "", O),
    "ty": Program("build", "--project --python", P, 1),
    "webpack": Program("build", JS, P),
    "rollup": Program("build", JS, P),
    "esbuild": Program("build", JS, P),
    "tsup": Program("build", JS, P),
    "py_compile": Program("build", "", F),
    "compileall": Program("build", "-d -j -r", P),
    "sphinx-build": Program("build", "-b -M -d -c -D -A -j -w -t", D, tool="sphinx"),
    "sphinx": Program("build", "-b -M -d -c -D -A -j -w -t", D),
    "mkdocs": Program("build", "-f -d -t", O),
    "cmake": Program("build", "-S -B -G -D -j --build --target --config", O),
    "ninja": Program("build", "-C -j -f -k", O),
    "meson": Program("build", "-C", O),
    "gcc": Program("build", "-o -I -L -x -std", F),
    "cc": Program("build", "-o -I -L -x", F),
    "clang": Program("build", "-o -I -L -x", F),
    "g++": Program("build", "-o -I -L -x", F),
    "clang++": Program("build", "-o -I -L -x", F),
    "rustc": Program("build", "-o --crate-type --edition", F),
    "javac": Program("build", "-d -cp -classpath -sourcepath", F),
    "cython": Program("build", "-o", F),
    "msgfmt": Program("build", "-o", F),
    "xcodebuild": Program("build", "-scheme -project -workspace -destination", O),
    "antlr4": Program("build", "-o -package", F),
    "ant": Program("build", "-f -D", O),
    "bazel": Program("build", "", O, 1),
    # linters and formatters
    "pylint": Program("lint", "-j -d -e -f --rcfile --disable --enable --load-plugins", P),
    "flake8": Program("lint", "-j --select --ignore --config --exclude --max-line-length", P),
    "pyflakes": Program("lint", "", P),
    "pycodestyle": Program("lint", "--select --ignore --max-line-length", P),
    "pydocstyle": Program("lint", "", P),
    "bandit": Program("lint", "-c -x -s -f -o", P),
    "eslint": Program("lint", JS + " -f --format", P),
    "stylelint": Program("lint", JS, P),
    "biome": Program("lint", JS, P, 1),
    "oxlint": Program("lint", JS, P),
    "shellcheck": Program("lint", "-s -e -f -S", P),
    "golangci-lint": Program("lint", "-c --timeout -E -D", P, 1),
    "rubocop": Program("lint", "-c --only", P),
    "pre-commit": Program("lint", "-c --files", O),
    "lint-imports": Program("lint", "--config", O),
    "vulture": Program("lint", "", P),
    "codespell": Program("lint", "-L -S", P),
    "markdownlint": Program("lint", "-c", P),
    "hadolint": Program("lint", "-c", P),
    "black": Program("format", "-l -t --line-length --target-version --config --exclude", P),
    "isort": Program("format", "-l -p --profile --settings-path", P),
    "autopep8": Program("format", "-j --max-line-length --select", P),
    "yapf": Program("format", "--style", P),
    "prettier": Program("format", "--config --parser --plugin --ignore-path --log-level", P),
    "gofmt": Program("format", "-r", P),
    "goimports": Program("format", "-local", P),
    "rustfmt": Program("format", "--edition --config", P),
    "clang-format": Program("format", "-style", P),
    "shfmt": Program("format", "-i -ln", P),
    "dprint": Program("format", "-c", O),
    # installing
    "apt": Program("install", "-o -t", N, 1),
    "apt-get": Program("install", "-o -t", N, 1),
    "apk": Program("install", "-t", N, 1),
    "yum": Program("install", "", N, 1),
    "dnf": Program("install", "", N, 1),
    "brew": Program("install", "", N, 1),
    "gem": Program("install", "-v", N, 1),
    "conda": Program("install", "-n -c -p", N, 1),
    "mamba": Program("install", "-n -c -p", N, 1),
    "composer": Program("install", "-d", N, 1),
    "pipx": Program("install", "", N, 1),
    "rustup": Program("install", "", O),
    "venv": Program("install", "", O),
    "virtualenv": Program("install", "-p", O),
    "ensurepip": Program("install", "", O),
    "easy_install": Program("install", "", N),
    # fetching
    "curl": Program("fetch", "-o -H -X -d -u", O),
    "wget": Program("fetch", "-O -P", O),
    "rsync": Program("fetch", "-e", O),
    "scp": Program("fetch", "-i -P", O),
    # editing
    "patch": Program("edit", "-p -i -d -o", P),
    "ed": Program("edit", "-p", F),
    "ex": Program("edit", "-c", F),
    "vi": Program("edit", "-c", F),
    "vim": Program("edit", "-c", F),
    "tee": Program("edit", "", F),
    "sponge": Program("edit", "", F),
    "truncate": Program("edit", "-s", F),
    "dos2unix": Program("edit", "", F),
    "2to3": Program("edit", "-f -x", P),
    # moving
    "rm": Program("files", "", P),
    "rmdir": Program("files", "", D),
    "mkdir": Program("files", "-m", D),
    "touch": Program("files", "-t -d -r", F),
    "mv": Program("files", "-t", M),
    "cp": Program("files", "-t", M),
    "ln": Program("files", "-t", M),
    "install": Program("files", "-m -o -g", M),
    "chmod": Program("files", "", P, 1, "--reference"),
    "chown": Program("files", "", P, 1),
    "tar": Program("files", "-f -C", O),
    "zip": Program("files", "-x", O),
    "unzip": Program("files", "-d", O),
    "gzip": Program("files", "", F),
    "gunzip": Program("files", "", F),
    "dd": Program("files", "", O),
    # searching
    "grep": Program("search", GREP, P, 1, "-e -f --regexp --file"),
    "egrep": Program("search", GREP, P, 1, "-e -f", "grep"),
    "fgrep": Program("search", GREP, P, 1, "-e -f", "grep"),
    "zgrep": Program("search", GREP, P, 1, "-e -f", "grep"),
    "rg": Program("search", GREP + " -j -M -r", P, 1, "-e -f --files"),
    "ag": Program("search", GREP, P, 1),
    "ack": Program("search", GREP, P, 1),
    "ast-grep": Program("search", "-p -l --pattern --lang", P, 1, "-p --pattern"),
    "fd": Program("search", "-e -t -d -E --type --extension", P, 1),
    "locate": Program("search", "-n", O),
    # reading
    "cat": Program("read", "", F),
    "bat": Program("read", "-r -l", F),
    "tac": Program("read", "", F),
    "head": Program("read", "-n -c", F),
    "tail": Program("read", "-n -c", F),
    "nl": Program("read", "-b -d -f -h -i -l -n -s -v -w", F),
    "less": Program("read", "", F),
    "more": Program("read", "", F),
    "sort": Program("read", "-k -t -o -S", F),
    "uniq": Program("read", "-f -s -w", F),
    "cut": Program("read", "-d -f -c -b", F),
    "tr": Program("read", "", O),
    "column": Program("read", "-t -s", F),
    "wc": Program("read", "", F),
    "awk": Program("read", "-F -v -f", F, 1, "-f"),
    "gawk": Program("read", "-F -v -f", F, 1, "-f", "awk"),
    "jq": Program("read", "-f", F, 1, "-f"),
    "yq": Program("read", "", F, 1),
    "diff": Program("read", "-U -C -x -I", P),
    "cmp": Program("read", "-n", F),
    "comm": Program("read", "", F),
    "od": Program("read", "-A -t -j -N -w", F),
    "xxd": Program("read", "-l -s -c -g", F),
    "hexdump": Program("read", "-n -s -e", F),
    "strings": Program("read", "-n", F),
    "file": Program("read", "", P),
    "stat": Program("read", "-c -f", P),
    "ls": Program("read", "-I -w", P),
    "tree": Program("read", "-L -I -P", P),
    "du": Program("read", "-d", P),
    "df": Program("read", "", O),
    "md5sum": Program("read", "", F),
    "sha256sum": Program("read", "", F),
    "which": Program("read", "", O),
    "type": Program("read", "", O),
    "whereis": Program("read", "", O),
    "man": Program("read", "", O),
    "ps": Program("read", "-o -u -p", O),
    "pgrep": Program("read", "", O),
    "lsof": Program("read", "-i -p", O),
    "env": Program("read", "", O),
    "printenv": Program("read", "", O),
    "pydoc": Program("read", "", O),
    "xargs": Program("read", "", O),
}
# Programs whose first word says what they do; `tool-word` is their tool where `named` is true.
SUBCOMMANDS: dict[str, tuple[dict[str, str], str]] = {
    "pip": ({"install": "install uninstall download wheel", "read": "list freeze show check index config cache search debug"}, "install"),
    "cargo": ({"test": "test t nextest tarpaulin", "build": "build b check c doc", "lint": "clippy audit deny", "format": "fmt", "install": "add install fetch update remove"}, "run"),
    "go": ({"test": "test", "build": "build generate", "lint": "vet", "format": "fmt", "install": "get install mod", "read": "env list version doc"}, "run"),
    "ruff": ({"format": "format", "lint": "check"}, "lint"),
    "dotnet": ({"test": "test", "build": "build publish pack", "format": "format", "install": "restore add"}, "run"),
    "swift": ({"test": "test", "build": "build"}, "run"),
    "mix": ({"test": "test", "build": "compile", "lint": "credo dialyzer", "format": "format", "install": "deps.get"}, "run"),
    "docker": ({"build": "build buildx", "read": "ps images logs inspect", "fetch": "pull push", "files": "rm rmi cp"}, "run"),
    "docker-compose": ({"build": "build", "read": "ps logs config", "fetch": "pull"}, "run"),
    "vite": ({"build": "build"}, "run"),
    "next": ({"build": "build", "lint": "lint"}, "run"),
    "ng": ({"test": "test e2e", "build": "build", "lint": "lint"}, "run"),
    "hatch": ({"test": "test", "build": "build", "format": "fmt"}, "run"),
    "rails": ({"test": "test test:system test:all spec", "build": "assets:precompile", "read": "routes stats"}, "run"),
    "uv": ({"install": "sync add remove lock venv pip", "build": "build"}, "run"),
    "poetry": ({"install": "install add remove lock update", "build": "build", "read": "show env check"}, "run"),
    "pipenv": ({"install": "install sync lock update"}, "run"),
    "pdm": ({"install": "install add sync lock update", "build": "build"}, "run"),
    "bundle": ({"install": "install update add"}, "run"),
    "coverage": ({"read": "report html xml json lcov"}, "run"),
    "kubectl": ({"read": "get describe logs"}, "run"),
    "terraform": ({"build": "plan validate", "format": "fmt", "install": "init"}, "run"),
    "flutter": ({"test": "test", "build": "build", "lint": "analyze", "format": "format", "install": "pub"}, "run"),
    "dart": ({"test": "test", "build": "compile", "lint": "analyze", "format": "format", "install": "pub"}, "run"),
    "deno": ({"test": "test", "build": "check compile", "lint": "lint", "format": "fmt", "install": "install add"}, "run"),
}  # fmt: skip
SUB = {
    program: {word: verb for verb, words in table.items() for word in words.split()}
    for program, (table, _) in SUBCOMMANDS.items()
}
SUB_VALUES = "-o --output -p --package --bin --example --features --target --target-dir --manifest-path -run -count -timeout -tags -c --config --select --ignore --filter --project --framework -f --file -t --tag --line-length -r --requirement -i --index-url --python -e -j"
# Words of the names of tasks, as Makefiles and package files have them.
WORDS = {
    word: verb
    for verb, words in {
        "test": "test tests testing check unit e2e spec integration verify",
        "build": "build compile typecheck types bundle dist package all docs html assemble rebuild",
        "lint": "lint linting linter stylecheck",
        "format": "format fmt formatting reformat",
        "install": "install deps bootstrap setup dependencies",
        "run": "run start dev serve watch preview up",
        "files": "clean distclean clobber",
    }.items()
    for word in words.split()
}
TYPES = frozenset(["typecheck", "type-check", "check-types", "check:types", "types:check"])
TASKS = frozenset(["make", "gmake", "just", "task", "rake", "invoke", "inv", "mvn", "mvnw", "gradle", "gradlew", "gulp", "grunt", "nx", "turbo", "lerna", "sbt", "doit", "poe"])  # fmt: skip
TASK_VALUES = "-C -f -j -o -p -x -pl -l --directory --file --projects --filter --tasks"
PACKAGERS = frozenset(["npm", "yarn", "pnpm", "bun"])
STAGE = frozenset(["cd", "pushd", "popd", "export", "unset", "set", "source", ".", "echo", "printf", "true", "false", ":", "sleep", "kill", "pkill", "killall", "wait", "exit", "return", "test", "[", "[[", "alias", "ulimit", "umask", "trap", "shopt", "local", "declare", "read", "pwd", "clear", "whoami", "uname", "date", "hostname", "id", "nproc", "eval", "break", "continue", "shift", "disown", "jobs", "bg", "fg", "history", "readonly", "typeset", "seq", "yes", "tput", "stty", "reset"])  # fmt: skip
# Programs that run another one, with their flags that take a word, and how many words come before it.
WRAPPERS: dict[str, tuple[str, int]] = {
    "sudo": ("-u -g -C -h -p", 0), "time": ("-f -o", 0), "timeout": ("-k -s --signal --kill-after", 1),
    "gtimeout": ("-k -s", 1), "env": ("-u -C --unset --chdir", 0), "nice": ("-n", 0), "ionice": ("-c -n", 0), "nohup": ("", 0),
    "stdbuf": ("-i -o -e", 0), "command": ("", 0), "builtin": ("", 0), "exec": ("-a", 0), "setsid": ("", 0),
    "unbuffer": ("", 0), "xvfb-run": ("-n -s", 0), "watch": ("-n", 0), "chronic": ("", 0), "strace": ("-e -o -p", 0),
    "npx": ("-p --package -c --call", 0), "bunx": ("", 0), "pnpx": ("", 0), "uvx": ("--from --with --python", 0), "dotenv": ("-f", 0),
    "xargs": ("-n -P -I -L -d -s -a", 0), "doas": ("-u", 0), "catchsegv": ("", 0), "faketime": ("", 1), "!": ("", 0),
}  # fmt: skip
RUN_BY = {  # `uv run X`: the word between, and flags that take one
    "uv": ("run", "--with --python -p --project --directory --extra --group --env-file --package"),
    "poetry": ("run", "-C --directory -P --project"), "pipenv": ("run", ""), "pdm": ("run", "-p"), "hatch": ("run", ""), "rye": ("run", ""),
    "conda": ("run", "-n -p --name"), "mamba": ("run", "-n -p"), "bundle": ("exec", ""), "coverage": ("run", "--source --rcfile --omit --include"),
    "docker-compose": ("exec run", "-u -w -e -T -f --user --workdir --env"), "docker": ("exec", "-u -w -e --user --workdir --env"),
    "npm": ("exec x", "-w --workspace -p --package"), "pnpm": ("exec dlx", "-F --filter -C --dir"), "yarn": ("exec dlx", ""), "bun": ("x", ""),
}  # fmt: skip
INNER = frozenset(["docker", "docker-compose"])  # whose next word is a place, not the program
INTERPRETERS = {  # flags that take a word, and those whose word is the program
    "python": ("-W -X -m -c", "-c"), "pypy": ("-W -X -m -c", "-c"), "node": ("-e -p -r --eval --print --require --import", "-e -p --eval --print"),
    "ruby": ("-e -I -r", "-e"), "perl": ("-e -E -I -M", "-e -E"), "php": ("-r -d -c -f", "-r"), "bash": ("-c -o -O", "-c"), "sh": ("-c -o", "-c"),
    "zsh": ("-c -o", "-c"), "dash": ("-c -o", "-c"), "tsx": ("-e", "-e"), "ts-node": ("-e -P -r", "-e"), "Rscript": ("-e", "-e"), "java": ("-cp -classpath", ""),
}  # fmt: skip
SHELLS = frozenset(["bash", "sh", "zsh", "dash"])
BY_ENDING = {".sh": "bash", ".bash": "bash", ".py": "python", ".js": "node", ".mjs": "node", ".cjs": "node", ".ts": "node", ".rb": "ruby", ".pl": "perl", ".php": "php"}  # fmt: skip
# the stem of a project's own runner
RUNNER = re.compile(r"(run|bin)?[-_.]?(unit)?tests?([-_.]?runner)?")
TEST_FILE = re.compile(
    r"(tests?[-_.].*|.*[-_.]tests?|tests|.*\.spec)\.(py|js|mjs|cjs|ts|tsx|rb|php|sh|pl)"
)
MODES = frozenset(["run", "watch", "related"])  # of runners of tests, before the paths
CHECKS = frozenset(["--check", "--check-only", "--diff", "--list-different", "--dry-run"])
SHORT_CHECKS = {"gofmt": frozenset("ld"), "prettier": frozenset("cl"), "isort": frozenset("c")}
EDITS = re.compile(r"""open\([^)\n]*,\s*(mode=)?['"][rb]?[wa+]|\.write_text\(|writeFileSync?\(""")
