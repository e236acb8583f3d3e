/* Opened by a library that has its folder in its runtime path. */
int extra = 1;
