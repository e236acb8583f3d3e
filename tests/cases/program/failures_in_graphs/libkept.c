/* Needed by the case, and by top.so. */
int libkept_value = 1;
