from agents_cfg.admin import model_profiles, overlay_profiles

__all__ = ["model_profiles", "overlay_profiles"]
