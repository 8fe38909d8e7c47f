"""The demo: one bundled model, made light, measured, served and put under load."""
