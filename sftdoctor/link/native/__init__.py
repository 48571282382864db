"""What is known of Python itself: builtins, the few standard modules that guards are made with, packaging."""
