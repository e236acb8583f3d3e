/* A constructor alone. */
#include <stdlib.h>

__attribute__((constructor)) static void start(void)
{
    setenv("CONSTRUCTOR", "ran", 1);
}
