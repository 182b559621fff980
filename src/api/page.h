// A page of HTML that needs nothing from outside: text is escaped, pictures are drawn in a folder of their own and
// taken in as data.
#ifndef NRG_PAGE_H
#define NRG_PAGE_H

#include "api/api.h"

typedef struct {
    nrg_ctx *ctx;
    nrg_text html;
    nrg_arena arena;
    char *folder; // of pictures on their way into the page
} nrg_page;

nrg_status nrg_page_open(nrg_ctx *c, const char *title, nrg_page *out);
void nrg_page_free(nrg_page *p); // and the folder
nrg_status nrg_page_write(nrg_page *p, const char *path);
void nrg_page_text(nrg_page *p, const char *s); // escaped
void nrg_page_bytes(nrg_page *p, const char *s, size_t n);
void nrg_page_row(nrg_page *p, const char *head, const char *value); // of a table of two columns; value may be NULL
// Draws into the folder and takes the picture in. What cannot be drawn leaves its reason and is no failure; memory is.
typedef nrg_status (*nrg_page_draw)(void *ud, const char *path);
nrg_status nrg_page_picture(nrg_page *p, const char *file, const char *caption, nrg_page_draw draw, void *ud);
// Messages since `before` as a remark, taken back from the list; s comes back when it cannot be passed over.
nrg_status nrg_page_remark(nrg_page *p, const char *what, int before, nrg_status s);
#endif
