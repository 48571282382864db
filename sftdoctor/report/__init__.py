"""Reports as text and as JSON. Sees the model alone: what is printed, and where, is the command line's business."""
