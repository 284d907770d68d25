from agents_cfg.admin import mcp_servers, model_profiles, overlay_profiles, tools

__all__ = ["mcp_servers", "model_profiles", "overlay_profiles", "tools"]
