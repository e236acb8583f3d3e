/* The other half of the cycle: functions, data and addresses of liba. */
int liba_half(int n);
extern int liba_data;

int libb_data = 1;
int libb_started, libb_saw_a;

__attribute__((constructor)) static void start(void)
{
    libb_started++;
    libb_saw_a = liba_data;
}

int libb_half(int n)
{
    return n == 0 ? 0 : libb_data + liba_half(n - 1);
}

int (*const liba_function_of_b)(int) = liba_half;
int *const liba_data_of_b = &liba_data;
