from agents_cfg.models.model_profile import ModelAdapter, ModelProfile
from agents_cfg.models.model_trial import ModelTrial, TrialStatus
from agents_cfg.models.overlay_profile import (
    DisconnectPolicy,
    OverlayProfile,
    default_tools,
    everything,
)

# Migrations name the two functions by this path.
__all__ = [
    "DisconnectPolicy",
    "ModelAdapter",
    "ModelProfile",
    "ModelTrial",
    "OverlayProfile",
    "TrialStatus",
    "default_tools",
    "everything",
]
