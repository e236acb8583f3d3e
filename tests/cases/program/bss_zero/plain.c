/* Without further features: wasm-ld puts everything into one segment, zeros included. */
#define P(name) plain_##name
#define ZEROS 9000
#include "body.h"
