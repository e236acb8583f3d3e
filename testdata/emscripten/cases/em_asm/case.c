/* JavaScript in a library: what does not use it works, and what does says why it cannot. */
#include <emscripten.h>

int adds(int number)
{
    return number + 1;
}

int asks_javascript(int number)
{
    return EM_ASM_INT({ return $0 * 2; }, number);
}
