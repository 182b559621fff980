// nrg explain --losses and --loss: what losses do, found numerically. nrg plot plane: the same as a picture.
#include "cli.h"
#include <stdio.h>

static void margin_words(const nrg_verdict *v, char *to, size_t n) {
    static const char *const words[] = {"none", "0", "", "> 0"};
    if (v->kind == NRG_MARGIN_FINITE) snprintf(to, n, "%.4g", v->margin);
    else snprintf(to, n, "%s", words[v->kind]);
}

nrg_status cli_losses(cli *c) {
    const char *name, *formula, *doc;
    char margin[32];
    printf("%-14s %-44s %-7s %-12s %s\n", "loss", "formula", "margin", "acts on", "verdict");
    for (int i = 0; nrg_loss_row_at(i, &name, &formula, &doc); i++) {
        nrg_verdict v;
        nrg_status s = nrg_loss_check(c->ctx, name, NULL, 0, &v);
        if (s != NRG_OK) return s;
        margin_words(&v, margin, sizeof margin);
        printf("%-14s %-44s %-7s %-12s %s%s\n", name, formula, margin, v.differences ? "differences" : "levels", v.words,
               v.dead ? "; no slope where far wrong" : "");
    }
    return cli_print(c, "");
}

nrg_status cli_loss(cli *c) {
    nrg_verdict v;
    char margin[32];
    nrg_status s = nrg_loss_check(c->ctx, c->loss, c->set.at, c->set.n, &v);
    if (s != NRG_OK) return s;
    margin_words(&v, margin, sizeof margin);
    printf("%s\nverdict            %s\nmargin             %s\n", c->loss, v.words, margin);
    printf("contrastive term   %s\nacts on            %s\n", v.contrastive ? "yes" : "no",
           v.differences ? "differences of energies" : "levels of energies");
    if (v.pulls_wrong)
        printf("dL/dneg > 0        %+.3g at pos = %.2g, neg = %.2g: descent lowers the wrong answer there\n", v.slope, v.pos, v.neg);
    if (v.lifts_right) printf("dL/dpos < 0        somewhere: descent raises the right answer there\n");
    if (v.dead) printf("no slope           somewhere although the wrong answer is lower\n");
    return cli_print(c, "");
}
