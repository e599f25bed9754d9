"""What happened, who could use what, and the proof that nothing was changed afterwards."""
