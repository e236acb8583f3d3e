// The second one.
#define WHO 'b'
#define START 2
#include "both.h"
