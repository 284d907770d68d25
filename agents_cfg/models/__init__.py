from agents_cfg.models.mcp_server import McpServer, McpServerState, McpTransport
from agents_cfg.models.model_profile import ModelAdapter, ModelProfile
from agents_cfg.models.model_trial import ModelTrial, TrialStatus
from agents_cfg.models.overlay_profile import (
    DisconnectPolicy,
    OverlayProfile,
    default_tools,
    everything,
)
from agents_cfg.models.overlay_profile_version import OverlayProfileVersion
from agents_cfg.models.secret import Secret
from agents_cfg.models.tool import Tool, ToolDanger, ToolPrice

# Migrations name the two functions by this path.
__all__ = [
    "DisconnectPolicy",
    "McpServer",
    "McpServerState",
    "McpTransport",
    "ModelAdapter",
    "ModelProfile",
    "ModelTrial",
    "OverlayProfile",
    "OverlayProfileVersion",
    "Secret",
    "Tool",
    "ToolDanger",
    "ToolPrice",
    "TrialStatus",
    "default_tools",
    "everything",
]
