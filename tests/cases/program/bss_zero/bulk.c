/* With bulk-memory besides: no zeros are in the file, a start function writes them. */
#define P(name) bulk_##name
#define ZEROS (1 << 20)
#include "body.h"
