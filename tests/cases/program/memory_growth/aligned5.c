/* One of ten. */
#include "aligned.h"
