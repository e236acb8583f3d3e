// The first of two libraries that are opened for themselves.
#define WHO 'a'
#define START 1
#include "both.h"
