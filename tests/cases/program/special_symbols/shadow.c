/* A variable with the name of a function of the C library. */
int wcscoll = 44;
