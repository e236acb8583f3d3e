/* Nothing of a program here, nor in the library that it is linked with. */
int top = 1;
