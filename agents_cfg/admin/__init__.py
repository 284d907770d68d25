from agents_cfg.admin import mcp_servers, model_profiles, overlay_profiles, secrets

__all__ = ["mcp_servers", "model_profiles", "overlay_profiles", "secrets"]
