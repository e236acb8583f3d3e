/* One of two libraries of a source. */
#define TWIN "left"
#include "twin.h"
