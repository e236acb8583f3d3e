/* Beside right.c: uses what that defines without needing it, and what the main module defines. */
extern int right_data[3];
int of_main(int);
int left_data = 7;
int left(int x) { return of_main(x) + left_data + right_data[1]; }
