# Correos. Quien los lee quizá no los pidió: cada uno dice qué, cuándo, desde dónde, y qué hacer si no fue esa persona.
mail-when = Cuándo
mail-where = Desde
mail-device = Dispositivo
mail-code = O escribe este código donde te lo pidieron
mail-ends = Sirve una sola vez, hasta el { $time }.
mail-ends-both = El enlace sirve una sola vez, hasta el { $time }; el código, durante 15 minutos.
mail-foot = Este correo es de { $brand }. Sus enlaces empiezan por { $host }; nunca te pedimos la contraseña por correo.
mail-by-hand = Si el botón no hace nada, copia esta dirección en tu navegador:
mail-verify-button = Confirmar mi correo
mail-reset-button = Elegir una contraseña nueva
mail-recover-button = Restablecer mi contraseña
mail-undo-button = No fui yo: recuperar mi correo

mail-sign-up-subject = Confirma tu correo para { $brand }
mail-sign-up-lead = Alguien creó una cuenta en { $brand } con este correo. Si fuiste tú, confírmalo y la cuenta queda lista.
mail-sign-up-otherwise = Si no fuiste tú, no hagas nada: sin la confirmación nadie puede usar este correo.

mail-verify-subject = Confirma tu correo para { $brand }
mail-verify-lead = Tu cuenta en { $brand } pregunta si este correo es tuyo.
mail-verify-otherwise = Si no lo pediste, no hagas nada.

mail-registered-subject = Ya tienes una cuenta en { $brand }
mail-registered-lead = Alguien intentó crear una cuenta en { $brand } con este correo. Ya hay una, así que no se creó ni cambió nada.
mail-registered-more = Si fuiste tú, inicia sesión con la cuenta que tienes.
mail-registered-button = Iniciar sesión
mail-registered-otherwise = Si no fuiste tú, no tienes que hacer nada. Si ya no sabes tu contraseña, restablécela.

mail-reset-subject = Elige una contraseña nueva para { $brand }
mail-reset-lead = Alguien pidió una contraseña nueva para tu cuenta en { $brand }. Si fuiste tú, elígela.
mail-reset-otherwise = Si no fuiste tú, no hagas nada: tu contraseña sigue igual.

mail-required-subject = { $brand } te pide una contraseña nueva
mail-required-lead = Alguien que administra { $brand } pidió que tu cuenta tenga una contraseña nueva. Hasta entonces, la actual no abre nada.
mail-required-more = Se cerró tu sesión en todas partes.
mail-required-otherwise = Si el enlace ya caducó, pide uno nuevo.

mail-changed-subject = Cambió tu contraseña en { $brand }
mail-changed-lead = Se cambió la contraseña de tu cuenta en { $brand }.
mail-changed-more = Se cerró la sesión en los demás dispositivos y aplicaciones.
mail-changed-otherwise = Si fuiste tú, no tienes que hacer nada. Si no, otra persona sabe tu contraseña o lee tu correo: restablécela ahora.

mail-breached-subject = Otras personas conocen tu contraseña en { $brand }
mail-breached-lead = La contraseña de tu cuenta en { $brand } está en una lista pública de contraseñas robadas. Otra persona usó la misma, o la robaron en otro sitio.
mail-breached-more = Elige otra, aquí y donde más la uses.
mail-breached-button = Cambiar mi contraseña
mail-breached-otherwise = Si no acabas de iniciar sesión, otra persona sabe tu contraseña: restablécela ahora.

mail-address-subject = Confirma tu correo nuevo para { $brand }
mail-address-lead = Tu cuenta en { $brand } va a tener este correo. Confírmalo y ocupará el lugar del anterior.
mail-address-button = Usar este correo
mail-address-otherwise = Si no lo pediste, no hagas nada: sin la confirmación no cambia nada.

mail-moving-subject = Se pidió un correo nuevo en { $brand }
mail-moving-lead = Tu cuenta en { $brand } va a tener otro correo: { $address }. Hasta que se confirme, sigue valiendo este.
mail-moving-more = Si fuiste tú, no tienes que hacer nada con este mensaje.

mail-moved-subject = Cambió tu correo en { $brand }
mail-moved-lead = Tu cuenta en { $brand } tiene ahora otro correo: { $address }.
mail-moved-more = Si fuiste tú, no tienes que hacer nada con este mensaje.
mail-undo-otherwise = Si no fuiste tú, recupera tu correo. Se cerrará la sesión en todos los dispositivos y aplicaciones, y elegirás una contraseña nueva.

mail-invitation-subject = Te invitaron a { $brand }
mail-invitation-lead = Puedes crear una cuenta en { $brand } con este correo.
mail-invitation-button = Crear mi cuenta
mail-invitation-otherwise = Si no la quieres, no hagas nada.

mail-deleted-subject = Se eliminó tu cuenta en { $brand }
mail-deleted-lead = Se eliminó tu cuenta en { $brand } con todo lo que le pertenecía. Se cerró la sesión en todos los dispositivos y aplicaciones.
mail-deleted-more = No se puede recuperar. Puedes crear otra cuando quieras.
mail-deleted-otherwise = Si no fuiste tú, escribe a quien lleva este servicio.
