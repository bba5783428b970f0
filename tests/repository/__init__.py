"""The apt repository that tests install from; see README.md."""
