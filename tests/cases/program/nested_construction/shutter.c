/* Opens and closes, in its constructor, a library that needs others of its own load. */
#include <dlfcn.h>

extern int latch_count;
int shut;

__attribute__((constructor)) static void start(void)
{
    shut = latch_count;
}
