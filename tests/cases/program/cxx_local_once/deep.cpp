// A third library, opened with RTLD_DEEPBIND.
#define WHO 'd'
#define START 3
#include "both.h"
