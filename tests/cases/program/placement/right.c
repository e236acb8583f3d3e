/* One of two libraries of a source. */
#define TWIN "right"
#include "twin.h"
