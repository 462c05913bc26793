"""Learning from finished attempts: what records say, and which model a task gets by it. Refuses to look at a run that is not over."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.intelligence.adaptive_router import AdaptiveModelRouter, RoutingDecision
    from orchestrator.intelligence.analytics import (
        ModelPerformance,
        PerformanceAnalytics,
        TaskPattern,
    )
    from orchestrator.intelligence.learning import LearningConfig, RoutingStrategy
    from orchestrator.intelligence.performance_tracker import PerformanceTracker
    from orchestrator.intelligence.rae_integration import RAEIntegration, create_rae_integration
    from orchestrator.intelligence.records import (
        ExecutionRecord,
        TaskComplexity,
        TaskOutcome,
        TaskRisk,
    )
    from orchestrator.intelligence.registry import (
        ModelInfo,
        ModelRegistry,
        get_configured_registry,
    )

__all__ = [
    "AdaptiveModelRouter",
    "ExecutionRecord",
    "LearningConfig",
    "ModelInfo",
    "ModelPerformance",
    "ModelRegistry",
    "PerformanceAnalytics",
    "PerformanceTracker",
    "RAEIntegration",
    "RoutingDecision",
    "RoutingStrategy",
    "TaskComplexity",
    "TaskOutcome",
    "TaskPattern",
    "TaskRisk",
    "create_rae_integration",
    "get_configured_registry",
]
_HOMES = {
    "adaptive_router": ("AdaptiveModelRouter", "RoutingDecision"),
    "analytics": ("ModelPerformance", "PerformanceAnalytics", "TaskPattern"),
    "learning": ("LearningConfig", "RoutingStrategy"),
    "performance_tracker": ("PerformanceTracker",),
    "rae_integration": ("RAEIntegration", "create_rae_integration"),
    "records": ("ExecutionRecord", "TaskComplexity", "TaskOutcome", "TaskRisk"),
    "registry": ("ModelInfo", "ModelRegistry", "get_configured_registry"),
}


def __dir__() -> list[str]:
    """Also what is not loaded yet."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Who only learns (`learner`) loads no HTTP and no prices."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
