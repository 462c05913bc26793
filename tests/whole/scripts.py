"""What workers and stand-ins for programs are made of: bash, with nothing in it that knows how the engine works inside."""

from __future__ import annotations

# What every script can do. Each line that it writes into a file is told outside of the project, afterwards.
ABLE = """set -e
out={out}
mark=T{number}-$$-$(date +%s%N)
tries=$(wc -l < $out/tries-{number})
echo >> $out/tries-{number}
told() {{ echo "$mark:$1" >> $out/written; }}
append() {{ echo "$mark:$1" >> "$1"; told "$1"; }}
prepend() {{ {{ echo "$mark:$1"; if test -e "$1"; then cat "$1"; fi; }} > "$1.new"; mv "$1.new" "$1"; told "$1"; }}
replace() {{ echo "$mark:$1" > "$1"; told "$1"; }}
folder() {{ rm -rf "$1"; mkdir "$1"; append "$1/inner.txt"; }}
remove() {{ rm -rf "$1"; }}
move() {{ if test -e "$1"; then mv "$1" "moved-$1"; fi; }}
nest() {{ mkdir -p "${{1%/*}}"; git init -q "${{1%/*}}"; append "$1"; as_me -C "${{1%/*}}" add -A; as_me -C "${{1%/*}}" commit -qm inner; }}
as_me() {{ git -c user.name=agent -c user.email=agent@localhost "$@"; }}
commit() {{ as_me add -A && as_me commit -qm mine || echo "git would not" >&2; }}
branch() {{ git switch -qc "topic-{number}-$tries"; commit; }}
anew() {{ rm -rf .git; git init -q; commit; }}
blind() {{ git update-index --assume-unchanged $(git ls-files); }}
die() {{ kill -9 $(cat $out/engine); sleep 60; }}
lock() {{ touch "$(git rev-parse --git-dir)/index.lock"; }}
"""

# Knows nothing of us: it is told on stdin which step of its book to carry out.
AGENT = """#!/usr/bin/env bash
step=$(sed -n 's/.*Carry out step \\([0-9]*\\) of the book.*/\\1/p' | head -n 1)
exec bash "{out}/step-$step.sh"
"""

# The engine's own git, but for one call of it: there the engine is ended as by `kill -9`, before the call or after it.
DEADLY_GIT = """#!/usr/bin/env bash
case "$*" in
*core.hooksPath*"{words}"*)
    echo "$*" >> {out}/calls
    if test $(wc -l < {out}/calls) -gt {call} && rm {out}/deadly 2> /dev/null; then
        if test {side} = after; then {git} "$@"; fi
        kill -9 $PPID
        exit 1
    fi
    ;;
esac
exec {git} "$@"
"""

# A filter through which git writes files: in the person's checkout it signals the engine, once, and takes its time.
SLOW_FILTER = """#!/usr/bin/env bash
if test "$PWD" = {root} && rm {out}/deadly 2> /dev/null; then
    kill -{signal} $(cat {out}/engine)
    sleep 2.5  # after 2 s git begins to tell how far it is, and nobody may be there any more to hear it
fi
cat
"""
