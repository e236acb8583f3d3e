/* With extended-const: wasm-ld makes several segments. */
#define P(name) extended_##name
#define ZEROS 9000
#include "body.h"
