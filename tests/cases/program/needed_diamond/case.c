/* Proves that a library needed twice is loaded and initialized once, before both that need it. */
/// row: search | initialized: bottom | A library needed twice is constructed once, before both | ELF gABI; core.dylink_dso_needed; browser.dylink_dso_needed
/// row: search | both sides see the same data: | A library needed twice has one instance | ELF gABI; browser.dylink_many
#include <stdio.h>
#include <string.h>

extern char order[];
extern int bottom_count;
void note(const char *name);
int *left_view(void);
int *right_view(void);

__attribute__((constructor)) static void start(void)
{
    note("case");
}

int run_case(void)
{
    /* left and right do not depend on each other: which of them comes first is the loader's choice */
    char *left = strstr(order, "left "), *right = strstr(order, "right ");
    char *first = left < right ? left : right;
    if (left != NULL && right != NULL)
        memcpy(first, "left right ", 11);
    printf("initialized: %s\n", order);
    printf("libbottom initialized %d time(s)\n", bottom_count);
    printf("both sides see the same data: %d\n", left_view() == right_view() && left_view() == &bottom_count);
    return 0;
}
