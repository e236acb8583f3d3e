/* Proves that weak symbols which a library both defines and imports are bound to itself: calls, addresses, data. */
/// row: symbols | twice(4) = 8 | A weak function that a library defines and imports is bound to itself | tool-conventions; core.dylink_weak
/// row: symbols | counter 11 | Weak data that a library defines and imports is its own | tool-conventions; core.dylink_weak
/// row: symbols | address of twice in the static table: | The address of a weak function is one in static data, for users and for dlsym | ELF gABI; core.dylink_weak
/// row: symbols | called from liba: | A weak function is called by a library that gets it as a pointer | core.dylink_weak
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef int function(int);
int twice_of_liba(int x);
function *address_of_twice(void);
int *address_of_counter(void);

__attribute__((weak)) int counter = 5;
__attribute__((weak)) int zeroed[3];
__attribute__((weak)) const char *name = "weak data that points to a string";

__attribute__((weak)) int twice(int x)
{
    counter++;
    return 2 * x;
}

/* calls another weak function and itself */
__attribute__((weak)) int power(int base, int exponent)
{
    return exponent == 0 ? 1 : base == 2 ? twice(power(base, exponent - 1)) : base * power(base, exponent - 1);
}

/* every kind of parameter passes through whatever stands between */
__attribute__((weak)) double mixed(int a, int64_t b, float c, double d)
{
    return a + (double)b + c + d;
}

function *table[] = {twice, twice};
int *data_table[] = {&counter, &zeroed[2]};

int run_case(void)
{
    printf("twice(4) = %d\n", twice(4));
    printf("power(2, 5) = %d, power(3, 3) = %d\n", power(2, 5), power(3, 3));
    printf("counter %d\n", counter);
    printf("mixed = %.3f\n", mixed(1, INT64_C(5000000000), 0.25f, 0.125));
    printf("%s\n", name);

    function *volatile own = twice;
    void *self = dlopen("case.so", RTLD_NOW);
    printf("address: not null %d, called %d\n", own != NULL, own(21));
    printf("address of twice in the static table: %d, for liba: %d, for dlsym: %d\n", table[0] == own && table[1] == own,
        address_of_twice() == own, dlsym(self, "twice") == (void *)own);
    printf("address of counter in the static table: %d, for liba: %d, for dlsym: %d\n", data_table[0] == &counter,
        address_of_counter() == &counter, dlsym(self, "counter") == (void *)&counter);
    *data_table[1] = 7;
    printf("zeroed[2] = %d\n", zeroed[2]);
    printf("called from liba: %d\n", twice_of_liba(50));
    printf("counter %d, seen by liba %d\n", counter, *address_of_counter());
    return 0;
}
