"""Pictures of faces whose action units are known."""
