"""What hawklet knows of boards: which one this is, how hot and how fast it runs, and how a bundle gets onto it."""
