/* Takes the address of a function of the C library that dlsym has given an address already. */
#include <stdlib.h>

typedef long long function(long long);

function *late_llabs(void)
{
    return llabs;
}
