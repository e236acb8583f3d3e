/* Uses a function and a variable that nothing defines. */
#include <stdio.h>

int nowhere_function(int x);
extern int nowhere_variable;

static char much[3000] = {1};

__attribute__((constructor)) static void start(void)
{
    printf("constructor of undefined.so\n");
}

int undefined_function(int x)
{
    return nowhere_function(x) + nowhere_variable + much[x];
}
