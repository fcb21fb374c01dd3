"""What a fit rests on: choices, influence, rivals, isoFLOP slices."""
