/* The main module has no `main`; the library that it needs has. */
int answer(void) { return 42; }
