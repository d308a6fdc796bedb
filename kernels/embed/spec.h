/* SPDX-License-Identifier: Apache-2.0 */
/* spec.h - the arithmetic of embed in words, and its known answer
 *
 * Whoever changes a bit of a vector changes both: the text, so that the kernel
 * has another digest and old and new results are never compared, and the
 * answer.
 */
#ifndef FALLOW_KERNELS_EMBED_SPEC_H
#define FALLOW_KERNELS_EMBED_SPEC_H

#define EMBED_SPEC                                                             \
    "fallow embed 1\n"                                                         \
    "item: token ids u16le; bytes: s8 x hidden, f32le scale\n"                 \
    "units: layers*(t*(4*h*h+2*h*ffn)+2*t*t*h)\n"                              \
    "codes: 1 odd or empty, 2 too long, 3 id not below vocab; units 0\n"       \
    "float: binary32, one rounding an operation, no fma, denormals kept;\n"    \
    " sums over 32 strided lanes, tree 16 8 4 2 1; min(a,b)=a<b?a:b\n"         \
    " round(x)=x+12582912, ties to even\n"                                     \
    "weights: s7 a row: scale=max|w|/63, q=round(w*(63/max|w|));\n"            \
    " offset=scale*sum q; key bias dropped\n"                                  \
    "rows: u8: lo=min, range=max(max-lo,1e-12), q=round((x-lo)*(255/range)),"  \
    " step=range*(1/255)\n"                                                    \
    "linear: f(acc)*(step*scale)+(lo*offset+bias)\n"                           \
    "input: (word+(position+type0)), norm\n"                                   \
    "norm: ((x-mean)*(1/sqrt(var+eps)))*gamma+beta, mean=sum*(1/n)\n"          \
    "query: u8 a token and head: round(x*(127/max|x|))+128, max from 1e-8\n"   \
    "key, value: s7 an item and head: round(x*(63/max|x|)), max from 1e-8\n"   \
    "scores: d=q.k-128*sum k; y=max((d-max d)*(qstep*((kstep*log2e)/"          \
    "sqrt(width))),-30)\n"                                                     \
    "probabilities: u8 round(255*2^y), 2^f times 255 by the square "           \
    "0x1.e6653cp+5f 0x1.66c23ap+7f 0x1.fe39dcp+7f\n"                           \
    "context: f(p.v)*(vstep/f(sum p))\n"                                       \
    "gelu: x*(p(w*w)*w+1/2), w=clamp(x,-3.6875,3.6875), p "                    \
    "-0x1.09a254p-21f 0x1.c6264ep-16f "                                        \
    "-0x1.450e66p-11f 0x1.01b0acp-7f "                                         \
    "-0x1.00868p-4f 0x1.96066ap-2f;\n"                                         \
    " range=max(max,0)+0.171875, inv=254/range, z=round(inv*0.171875+1/2),"    \
    " q=low byte of y*inv+(12582912+z), step=range*(1/254), lo=-(z*step)\n"    \
    "pooling: mean over tokens in order, or the first; v/sqrt(sum v*v) where " \
    "asked\n"                                                                  \
    "output: q=round(v*(127/max|v|)), scale=max|v|*(1/127)\n"

/* SHA-256 over the canonical bytes of tiny_items under the tiny model. */
#define EMBED_KNOWN_ANSWER                                                     \
    "8da482182207faa02b7dda91a0425ef64f365f6f417336b67e1a5300f139218a"

#endif
