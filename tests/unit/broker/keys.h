/* Keys that were made for these tests, by openssl genpkey. They open nothing. */
#pragma once

#include <glib.h>

G_GNUC_UNUSED static const char private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCu/q4vkbA8F+MI\n"
    "ZU5KRRS5DOIvTtIRVd6A7PAt7+lmiTANo6mXKqjsKxuwPqFKBaJPAmlJj1yipcjS\n"
    "lKsmlVcRvJUJBPXkuyQnOuIo1FlA/KlyILWFUUIWMbEbkcWVoEwKnhDUaZBYGKV1\n"
    "1H0O+Torzf/z/J7TBTVgay/0vsHEL+WN2Vvdrm7Bl5SK2k9uPaia4Jyb9l6TINt/\n"
    "1+Xqr+9Jp/Z6UBANI/rugtVJgdLgABL/LtbvDQcT0VcgXdXksK6vksHfFXHnlTGL\n"
    "JOh4di4HQIUNTmBDeN6+sQunStdSy7jBJXM5a6slD8cBx+4Pp56qSZ22W9jow+jL\n"
    "cZ7phIAJAgMBAAECggEAPNwdJzUTZirmjg5xhnn1BZCZ/1r5ywairhL5Svijo0H2\n"
    "AOBZBFZVTmGFrSty+6Pu+Wx8wpUF4hknOTl0NqR8lhIQgQUFIaoGHlCnxAxqCCR3\n"
    "J9aBWt7STZa1okF1xp5ro8uqTb1y8niL3ulqHvGFjiOEL049zGUE1cYhdQx8piZw\n"
    "+k4kL6d7XKB4Gt1+ZluxaS9055CnE6gqfk1JiW+PyeKL5yfVWs1eO/6ePz+/8lDV\n"
    "MWnTUztuXMAnE+qYfV+wzAj/c6KamoAoD1Ke9lJBV/ULiDhooYVzWU9GKV/OzL7W\n"
    "5dOYGyNsnjWl1C7bCQiPdgBHkJ/Q76QAaiRbvzEEawKBgQDY/rMjRq0bQ72F/hVw\n"
    "yDn54QrIQcghVpBVR7YJMCXTvBk5UCL2z95zfzw0iUaiRMPKmBx66qiAB5rJDJmm\n"
    "faoABcwD1TUmGQVRyl54xvcG0w2nUSXGGcM5AXBgZmYdQoeo8tqGraDu7sthSm+z\n"
    "tgHm2LtqhdKY1FYDf1WL232szwKBgQDOc0sOQ+ezYD8rDtZdp0EjxJR3Ga0LUyM+\n"
    "Pxky37FsAbZ08qY3WaVqCX1bjEGZ28gC8U/j1i089JCAOkijBceKfo8OLmx3QuuQ\n"
    "Wa0+8Uj5kR1eYXIns2eLDidUlmgnQhaiHVM4LCuCxW980PN0Pt022WGdXsMFLOA8\n"
    "BCIpzd4rpwKBgQC0JzF+lgzd1+2fMwWF7xYDGQ0kmUiYNQ/7XWAKXMjq8v1WEewV\n"
    "URr0dKv9SgM0cTbEGml6uxtNwAKH7Egca7QZ9LYecIKBsMAz2Xl5eGZaahqp0Ls1\n"
    "runfiAxOXHVm0XdjksxOiBRWijab/XqjjvYhO8rNc3EWpSMMIElbpcy/DQKBgDjP\n"
    "PQ4V3YJcr8U3dgGbbq9a/sevRxDgtcgBMPvw1i+0YPLZeqesgXomVlqEw+CEvAsj\n"
    "QCqf2x705XaDk01Y38nafZ8XYz2GKrA0HRo+5yfVqNE522HVWl7HbEc4hDyZUQUX\n"
    "MLk6XlbD4aPlE7kfO1xGgTf+xYd9C884C/aY8dPtAoGAew6/hEj21aKKuiNcfky+\n"
    "8wZkXfcr7k+7s/b40q78sRYe6RlQub2fQJeKxOVvkzRRcTSYrW/GmxfjlFMZuNz1\n"
    "Spml23lPf+I6MdBPpiFp80IMEri5GuyEe+Pw0l0U1h2HoGSWfSK5NUqEWUQ34ZFk\n"
    "8b/D/PhG/TLrjBgRKCG/j1A=\n"
    "-----END PRIVATE KEY-----\n";

G_GNUC_UNUSED static const char public_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArv6uL5GwPBfjCGVOSkUU\n"
    "uQziL07SEVXegOzwLe/pZokwDaOplyqo7CsbsD6hSgWiTwJpSY9coqXI0pSrJpVX\n"
    "EbyVCQT15LskJzriKNRZQPypciC1hVFCFjGxG5HFlaBMCp4Q1GmQWBilddR9Dvk6\n"
    "K83/8/ye0wU1YGsv9L7BxC/ljdlb3a5uwZeUitpPbj2omuCcm/ZekyDbf9fl6q/v\n"
    "Saf2elAQDSP67oLVSYHS4AAS/y7W7w0HE9FXIF3V5LCur5LB3xVx55UxiyToeHYu\n"
    "B0CFDU5gQ3jevrELp0rXUsu4wSVzOWurJQ/HAcfuD6eeqkmdtlvY6MPoy3Ge6YSA\n"
    "CQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

G_GNUC_UNUSED static const char weak_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANeaQESx2dYa2CTf\n"
    "skP8lIW3z0FK7OOyffGfHJbHEBiUsHj+ZpODDAUF3Z43Cayjx/IwUuOi/QFuCwc4\n"
    "lJRbb7Nxlf9hp79w7V3DwJV7fYVNj0qXMcYNen1rTFnEls9rPPWghhdVx3S/7UId\n"
    "Au39/o7kC3+u0B4cPI/gCOq25DMdAgMBAAECgYA6v7t3fIcBQntXQOVQhUjrTvTY\n"
    "s9PtD7wl1Ndzdna6W/niXmARHgpua/TBofmu40oegnBzuvv6IcQ7iX1jF69N1D4Y\n"
    "Vrws2KxXcF5F2p73/Lo9L1V+eu0ieO2lVvAKyAVoqq7Mrl3CpKbf+rwIO+ycJAoo\n"
    "qhTa6DUb8atYU3zNuQJBAO7gfkSM8B70i8KIwG3xbaEc72PExfQHR0amZo49pyhZ\n"
    "WXkRmxtUoOlGESNJhRKQG+5FedNNbZpedaHWBVkqajsCQQDnDqliTukN5A+qQ6Qv\n"
    "c+oXeIzkqGiZCjMaaUAgkUULsgdS12EeLEiFowZnu7fhEboyfl1qAqk1sIOYqjHK\n"
    "QaqHAkEA7EkPXUtz8Yq//Cs8/QOFB4sRmMR5cosIi+/pHeYKRLUs9b7eiEhL6rMu\n"
    "HJOKl/QITMZYXRUHx1yMSwriu3JjJQJBAJANcQcsgVo6tJWHhGZdUzX834JziHrZ\n"
    "hBDUS7nCOBTZkn1QcGkaXMCMaiLkQvjcT4TJib3dGNezS+gzO8WIeSMCQCcpCr0i\n"
    "hnz6rCHNHHzZo+vjPnpMxL2vPkcwlFrug32jAis0WMwjZ9m7LomhUY2bPTYgwH6M\n"
    "FAAEnNfcXd6lipk=\n"
    "-----END PRIVATE KEY-----\n";

G_GNUC_UNUSED static const char curve_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRbYi4ujEvk+c0S94\n"
    "tr3+cKFLxtNrCoxcRSvlwzCmBXahRANCAASQ0aFR4FBIx11oayN/skwB9YCvDBz/\n"
    "c8Bm+0KwdkJWWv5k0PvnFW3uUvIUVZ+XBAX5tNw61hthSH6Jhfes7qEW\n"
    "-----END PRIVATE KEY-----\n";
