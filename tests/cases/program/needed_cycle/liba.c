/* One half of a cycle of NEEDED libraries: functions, data and addresses of libb. */
#include <stdio.h>

int libb_half(int n);
extern int libb_data;

int liba_data = 10;
int liba_started, liba_saw_b;

__attribute__((constructor)) static void start(void)
{
    liba_started++;
    liba_saw_b = libb_data; /* relocated and with its initial value, whether libb has been initialized or not */
}

/* n, n - 1, ..., 0: the even steps are here, the odd ones in libb */
int liba_half(int n)
{
    return n == 0 ? 0 : liba_data + libb_half(n - 1);
}

int (*const libb_function_of_a)(int) = libb_half;
int *const libb_data_of_a = &libb_data;
