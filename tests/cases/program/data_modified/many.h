/* Applies a macro to 0, 1, ..., 1233. */
#define COUNT 1234
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define HUNDRED(m, n) TEN(m, n##0) TEN(m, n##1) TEN(m, n##2) TEN(m, n##3) TEN(m, n##4) TEN(m, n##5) TEN(m, n##6) TEN(m, n##7) \
    TEN(m, n##8) TEN(m, n##9)
#define NONE(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) TEN(m, 1) TEN(m, 2) TEN(m, 3) TEN(m, 4) TEN(m, 5) TEN(m, 6) \
    TEN(m, 7) TEN(m, 8) TEN(m, 9)
#define MANY(m) NONE(m) HUNDRED(m, 1) HUNDRED(m, 2) HUNDRED(m, 3) HUNDRED(m, 4) HUNDRED(m, 5) HUNDRED(m, 6) HUNDRED(m, 7) \
    HUNDRED(m, 8) HUNDRED(m, 9) HUNDRED(m, 10) HUNDRED(m, 11) TEN(m, 120) TEN(m, 121) TEN(m, 122) m(1230) m(1231) m(1232) m(1233)
