/* Refers to everything, loaded when all is there. */
__attribute__((weak)) int missing(void);
extern __attribute__((weak)) int missing_data;

int late_asks_missing(void)
{
    return missing != 0 ? missing() : 0;
}

int late_asks_missing_data(void)
{
    return &missing_data != 0 ? missing_data : 0;
}
