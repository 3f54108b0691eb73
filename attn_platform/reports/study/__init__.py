"""The exhibits of AI-69 and AI-55, drawn from a home beside the published figures."""

STUDIES = ("ai69", "ai55")
"""Studies that have a register of exhibits, and so a page. Known without loading what draws them."""
