int below(int);
int between(int value) { return below(value) + 1; }
