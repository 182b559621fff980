// The table of statuses, read from nrg_errors.def.
#include "nrg.h"

typedef struct {
    nrg_status status;
    int exit;
    const char *name, *meaning, *advice;
} row;

static const row rows[] = {
#define NRG_STATUS(tag, number, exit, meaning, help) {NRG_##tag, exit, #tag, meaning, help},
#include "nrg_errors.def"
};
enum { NROWS = sizeof rows / sizeof *rows };

static const row *find(nrg_status s) {
    static const row ok = {NRG_OK, 0, "OK", "success", ""};
    static const row odd = {NRG_E099, 1, "E099", "unknown status", "Please report it."};
    if (s == NRG_OK) return &ok;
    for (int i = 0; i < NROWS; i++)
        if (rows[i].status == s) return &rows[i];
    return &odd;
}

const char *nrg_status_name(nrg_status s) { return find(s)->name; }
const char *nrg_status_meaning(nrg_status s) { return find(s)->meaning; }
const char *nrg_status_advice(nrg_status s) { return find(s)->advice; }
int nrg_status_exit(nrg_status s) { return find(s)->exit; }

const char *nrg_status_example(nrg_status s) {
    switch ((int)s) {
#define NRG_EXAMPLE(tag, text) case NRG_##tag: return text;
#include "base/examples.def"
    default: return "";
    }
}

nrg_status nrg_status_at(int i) { return i >= 0 && i < NROWS ? rows[i].status : NRG_OK; }
