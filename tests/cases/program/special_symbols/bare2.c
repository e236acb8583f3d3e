/* One of two libraries without data. */
#include "bare.h"
