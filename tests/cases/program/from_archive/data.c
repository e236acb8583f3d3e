/* Data alone, with unusual names. */
#include "long.h"

const char *text = "data alone";
int NAME = 5;
int size __asm__("größe") = 6;
