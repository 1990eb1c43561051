"""The readers that this source is measured against, each as its own documentation would have it written."""
