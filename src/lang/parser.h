// The parser's state, shared by expr.c (expressions) and parse.c (statements).
#ifndef NRG_LANG_PARSER_H
#define NRG_LANG_PARSER_H

#include "lang/inside.h"

typedef struct {
    nrg_model *m;
    nrg_ctx *c;
    token_list v;
    uint32_t at;
    keyword key; // of the statement being read
    bool failed; // an error was reported in this statement, or memory refused
    bool refused;
    bool schedules; // named arguments may be a -> b here
    int depth;      // of brackets and prefixes
    const char *text;
} parser;

const token *nrg_p_now(const parser *p);
const token *nrg_p_next(const parser *p, uint32_t ahead);
bool nrg_p_at(const parser *p, const char *mark);   // is the token this mark?
bool nrg_p_word(const parser *p, const char *word); // is it this name?
bool nrg_p_take(parser *p, const char *mark);       // the same, and steps over it
bool nrg_p_take_word(parser *p, const char *word);
void *nrg_p_check(parser *p, void *memory); // notes a refusal
void nrg_p_unexpected(parser *p, const char *expected);
bool nrg_p_need(parser *p, const char *mark, const char *expected); // takes the mark or reports
const token *nrg_p_name(parser *p,
                        const char *what); // takes a name or reports (E003 for joining words)
bool nrg_p_names(parser *p, const char *what, const char ***names, nrg_span **spans, uint32_t *n);
bool nrg_p_ends(const parser *p);
nrg_span nrg_p_join(nrg_span a, nrg_span b);

// expr.c. NULL after an error.
nrg_expr *nrg_p_expr(parser *p);
nrg_expr *nrg_p_schedule(parser *p);
nrg_expr *nrg_p_additive(parser *p);
nrg_expr *nrg_p_range(parser *p); // [additive] .. [additive]
nrg_expr *nrg_p_bound(parser *p); // the same, or one number: the upper end
bool nrg_p_no_arrow(parser *p);   // reports E007 at a ->
#endif
