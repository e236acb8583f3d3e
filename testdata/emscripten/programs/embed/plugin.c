int plugged(int value) { return value * 3; }
