"""The stages of a run: propose and measure, finalists, export."""
